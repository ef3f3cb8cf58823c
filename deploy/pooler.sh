# PgBouncer, whose one login of its own is in a file in memory.
umask 077
printf '"%s" "%s"\n' "$username" "$password" > /tmp/users.txt
unset username password
exec pgbouncer /opt/pulse/pooler.ini
