"""The response time of `user_validation`, which the provider sends several times while a user pays."""

import statistics
from uuid import uuid4

from benchmarks.deliveries import Delivery, place_orders, signed
from benchmarks.load import burst, paced
from tests.support.postgres import fresh_database, postgres
from tests.support.store import StoreProcess

ROUNDS, DELIVERIES, CONCURRENCY = 5, 1000, 16


def _deliveries(store: StoreProcess, user_id: str) -> list[Delivery]:
    project = {"project_id": int(store.env["XSOLLA_PROJECT_ID"])}
    kind = {"notification_type": "user_validation", "settings": project}
    return [
        signed(store, {**kind, "user": {"id": user_id, "ip": "127.0.0.1", "country": "US", "zip": uuid4().hex}})
        for _ in range(DELIVERIES)
    ]


def _measure(name: str, store: StoreProcess) -> None:
    (order,) = place_orders(store, 1, 1)
    url = f"{store.url}/api/webhooks/payment"
    runs = [burst(url, _deliveries(store, order.user_id), CONCURRENCY) for _ in range(ROUNDS + 1)][1:]
    rate = statistics.median(run.per_second for run in runs)
    median, p99 = (statistics.median(run.quantile_ms(percent) for run in runs) for percent in (50, 99))
    half = paced(url, _deliveries(store, order.user_id), rate / 2)
    errors = sum(run.errors for run in [*runs, half])
    print(
        f"  {name}, {CONCURRENCY} at once: {rate:.0f}/s, median {median:.1f} ms, p99 {p99:.1f} ms; "
        f"at half that rate: median {half.quantile_ms(50):.1f} ms, p99 {half.quantile_ms(99):.1f} ms; "
        f"errors {errors}",
        flush=True,
    )


def main() -> None:
    """Measure on SQLite and on PostgreSQL, with one worker each."""
    with StoreProcess() as store:
        _measure("SQLite", store)
    with postgres(durable=True) as server, StoreProcess(database_url=fresh_database(server.url)) as store:
        _measure("PostgreSQL", store)


if __name__ == "__main__":
    main()
