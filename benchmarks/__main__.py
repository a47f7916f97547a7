"""`python -m benchmarks [name ...]`: run the measurements and print their figures."""

import sys

from benchmarks import user_validation, webhook_throughput, webhook_to_dom

MEASUREMENTS = {
    "webhook_to_dom": webhook_to_dom.main,
    "webhook_throughput": webhook_throughput.main,
    "user_validation": user_validation.main,
}

if __name__ == "__main__":
    for name in sys.argv[1:] or MEASUREMENTS:
        print(f"\n== {name}", flush=True)
        MEASUREMENTS[name]()
