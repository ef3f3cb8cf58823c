#!/bin/sh
# Redis with two users, who know one password each: the schedulers' and workers' queue, and Superset's caches. Neither reads the
# other's keys, so nobody who gets into a Superset can hand tasks to workers. Without a password there is an answer to PING only.
umask 077
cat > /tmp/redis.conf <<EOF
protected-mode no
user default on nopass resetkeys resetchannels -@all +ping
user queue on >$PULSE_REDIS_QUEUE_PASSWORD ~default* ~celery* ~unacked* ~_kombu* ~*.pidbox* &* +@all -@admin -@dangerous +info
user cache on >$PULSE_REDIS_CACHE_PASSWORD ~cache:* +@all -@admin -@dangerous -@pubsub -@scripting +keys
EOF
unset PULSE_REDIS_QUEUE_PASSWORD PULSE_REDIS_CACHE_PASSWORD
exec redis-server /tmp/redis.conf "$@"
