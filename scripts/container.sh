#!/bin/sh
# What the container runs: bring the database up to date, then serve.
set -eu
python -m alembic upgrade head
exec python -m store_app serve
