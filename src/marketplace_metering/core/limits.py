"""The numbers that AWS imposes, and our margins inside them.

Each mark is a row of docs/aws-rules.md: the rule, its source, our reading, its test.
"""

from datetime import timedelta

MICROS_PER_UNIT = 1_000_000
QUANTITY_INTEGER_MAX = 2_147_483_647  # [M4] Quantity
QUANTITY_MICROS_MAX = 9_999_999_999_999_999  # [M4] QuantityAsDecimal, 9999999999.999999

BATCH_RECORDS_MAX = 25  # [M1]
REQUEST_BYTES_LIMIT = 1_000_000  # [M3] [Q13]
BATCH_BYTES_MAX = 950_000  # ours: room for what a proxy or a newer SDK adds to the body
ENTRY_BYTES_MAX = 900_000  # ours: one wire record always fits into a request of its own

ALLOCATIONS_MAX = 2_500  # [M10]
TAGS_MAX = 5  # [M11] per allocation, and distinct keys per record [Q11]
TAG_KEY_LENGTH_MAX = 100  # [M11]
TAG_VALUE_LENGTH_MAX = 256  # [M11]
DIMENSION_LENGTH_MAX = 255  # [M6]

WINDOW_LENGTH = timedelta(hours=24)  # [R1] a setting, see [Q25]
MONTH_END_GRACE = timedelta(hours=6)  # [R2] 06:00 UTC on the 1st

REQUESTS_PER_SECOND_QUOTA = 10  # [M17] per account and region

# Ours: AWS refuses what a clock that is off by more has signed. [P7] five minutes in most cases,
# fifteen for some services.
CLOCK_ERROR_MAX = timedelta(minutes=15)

assert BATCH_RECORDS_MAX == 25
assert ENTRY_BYTES_MAX < BATCH_BYTES_MAX < REQUEST_BYTES_LIMIT
assert QUANTITY_INTEGER_MAX * MICROS_PER_UNIT < QUANTITY_MICROS_MAX
