#!/bin/sh
# archive_command: compresses a finished WAL segment ($1, named $2) into the folder $3, which holds at most $4 MB.
# The copy is renamed into place, so a crash leaves no half segment that would stop archiving for good. PostgreSQL may
# archive a segment twice after a crash: the same bytes again are fine, others are an error.
set -eu
archive="$3"
limit_mb="$4"
copy="$archive/$2.gz"
if [ -e "$copy" ]; then
    gzip -dc "$copy" | cmp -s "$1" - && exit 0
    echo "pulse: $copy exists with other content: not overwritten" >&2
    exit 1
fi
gzip -1 -c "$1" > "$copy.part"
sync "$copy.part" 2>/dev/null || true
mv "$copy.part" "$copy"
# Backups remove what they no longer need. This is for when there are none: a full disk would stop the server.
while [ "$(du -sm "$archive" | cut -f 1)" -gt "$limit_mb" ]; do
    old=$(find "$archive" -name '????????????????????????.gz' | sort | head -n 1)
    [ "$old" != "$copy" ] && [ -n "$old" ] || break
    rm -f "$old"
    echo "pulse: archive holds more than $limit_mb MB, removed the oldest: ${old##*/}" >&2
done
