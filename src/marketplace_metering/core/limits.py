"""The numbers that AWS imposes, each with its source, and our margins inside them."""

from datetime import timedelta

MICROS_PER_UNIT = 1_000_000
QUANTITY_INTEGER_MAX = 2_147_483_647  # [model 1.44.5] Quantity
QUANTITY_MICROS_MAX = 9_999_999_999_999_999  # [model 1.44.5] QuantityAsDecimal, 9999999999.999999

BATCH_RECORDS_MAX = 25  # [model 1.44.5] UsageRecords
REQUEST_BYTES_LIMIT = 1_000_000  # [model 1.44.5] "1 MB", read as 10^6 (Q13)
BATCH_BYTES_MAX = 950_000  # ours: room for what a proxy or a newer SDK adds to the body
ENTRY_BYTES_MAX = 900_000  # ours: one wire record always fits into a request of its own

ALLOCATIONS_MAX = 2_500  # [model 1.44.5] UsageAllocations
TAGS_MAX = 5  # [model 1.44.5] per allocation; by Q11 also distinct keys per record
TAG_KEY_LENGTH_MAX = 100  # [model 1.44.5]
TAG_VALUE_LENGTH_MAX = 256  # [model 1.44.5]
DIMENSION_LENGTH_MAX = 255  # [model 1.44.5]
PRODUCT_CODE_LENGTH_MAX = 255  # [model 1.44.5]

WINDOW_LENGTH = timedelta(hours=24)  # [model 1.44.5] R1; a setting, since China may still say 1 h
MONTH_END_GRACE = timedelta(hours=6)  # [model 1.44.5] R2: 06:00 UTC on the 1st

REQUESTS_PER_SECOND_QUOTA = 10  # AWS quota page: per account and region

# Ours: AWS refuses what a clock that is off by more has signed. [IAM guide, signing requests] five
# minutes in most cases, fifteen for some services
CLOCK_ERROR_MAX = timedelta(minutes=15)

assert BATCH_RECORDS_MAX == 25
assert ENTRY_BYTES_MAX < BATCH_BYTES_MAX < REQUEST_BYTES_LIMIT
assert QUANTITY_INTEGER_MAX * MICROS_PER_UNIT < QUANTITY_MICROS_MAX
