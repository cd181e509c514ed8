# The images of the experiments, for scripts that are run at the top of the sources: sets $images to
# a directory with train/CLASS/*.jpg and test/CLASS/*.jpg.  CIFAR10 names an archive or a directory;
# else cifar10-jpeg.tar.zst or cifar10/ is looked for in ./, data/, ../data/ and ../shared/data/.
# An archive is unpacked once, into $unpacked.

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

find_images() {
	for dir in . data ../data ../shared/data; do
		for name in cifar10-jpeg.tar.zst cifar10; do
			if [ -e "$dir/$name" ]; then
				echo "$dir/$name"
				return
			fi
		done
	done
	die "the images are not found: name an archive or a directory with CIFAR10=PATH"
}

prepare_images() {
	source=${CIFAR10:-$(find_images)}
	images=$unpacked
	if [ -d "$source" ]; then
		images=$source
	elif [ ! -d "$images" ]; then
		echo "unpacking $source"
		rm -rf "$images.part"
		mkdir -p "$images.part"
		tar -C "$images.part" -xf "$source" ||
			die "'$source' cannot be unpacked (a .zst needs the program zstd)"
		mv "$images.part" "$images"
	fi
	for part in train test; do
		[ -d "$images/$part" ] || die "'$images' has no directory '$part'"
	done
}
