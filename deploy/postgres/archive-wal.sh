#!/bin/sh
# archive_command of the primary: copies a finished WAL segment ($1, named $2) into the folder $3, which keeps the newest $4.
# The copy is renamed into place, so a crash leaves no half segment that would stop archiving for good. PostgreSQL may
# archive a segment twice after a crash: the same bytes again are fine, others are an error.
set -eu
archive="$3"
keep="$4"
if [ -e "$archive/$2" ]; then
    cmp -s "$1" "$archive/$2" && exit 0
    echo "pulse: $archive/$2 exists with other content: not overwritten" >&2
    exit 1
fi
cp "$1" "$archive/$2.part"
sync "$archive/$2.part" 2>/dev/null || true
mv "$archive/$2.part" "$archive/$2"
count=$(ls "$archive" | wc -l)
if [ "$count" -gt "$keep" ]; then
    ls "$archive" | sort | head -n $((count - keep)) | while read -r old; do
        rm -f "$archive/$old"
        echo "pulse: archive holds more than $keep segments, removed the oldest: $old" >&2
    done
fi
