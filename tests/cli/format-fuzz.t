#!/usr/bin/env bash
# A short run of the fuzzers: mutated files of every kind and streams are refused or read, never more.
. "${0%/*}/lib.sh"

ok "fuzz_stream" "$NST_BUILD/fuzz/fuzz_stream" 5000
ok "fuzz_shard" "$NST_BUILD/fuzz/fuzz_shard" 10000
ok "fuzz_safetensors" "$NST_BUILD/fuzz/fuzz_safetensors" 20000

done_testing
