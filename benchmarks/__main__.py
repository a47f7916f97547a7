"""`python -m benchmarks [name ...]` runs the benchmarks and prints their figures."""

import sys

from benchmarks import lists, order_to_paid, user_validation, webhook_throughput, webhook_to_dom

BENCHMARKS = {
    "webhook_to_dom": webhook_to_dom.main,
    "order_to_paid": order_to_paid.main,
    "webhook_throughput": webhook_throughput.main,
    "user_validation": user_validation.main,
    "lists": lists.main,
}

if __name__ == "__main__":
    for name in sys.argv[1:] or BENCHMARKS:
        print(f"\n== {name}", flush=True)
        BENCHMARKS[name]()
