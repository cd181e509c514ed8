#!/usr/bin/env bash
# Make the images that the examples of the manual pages work on: labeled/, unlabeled/ and test/ in
# the directory given, which exists.
rmdir "$1"
nst-draw -q -o "$1" --labeled=100 --unlabeled=200 --test=60 --hardness=0.4
