"""What one foreign record may cost: its writer may be anybody, and all others wait behind it.

The limits of AWS are in `limits`; the bounds of a usage record itself in `record_rules`.
"""

from __future__ import annotations

# A DynamoDB item holds 400 KB [P3], so no usage record can be larger; what is larger is no record.
RECORD_CHARACTERS_MAX = 400_000
# Of a record that is larger, enough to find it by; the rest is in the file that it came in.
RECORD_CHARACTERS_KEPT = 2_000
# A person corrects the first and sees that the others are alike; 40,000 bad tags were 5 MB.
PROBLEMS_MAX = 10
# DynamoDB nests 32 levels [P2], the item and the attribute among them. Python's own limit depends
# on who calls: what one function could read, another one could not write.
DEPTH_MAX = 30
# Where a required attribute is missing, its misspelt name is looked for among so many others,
# of at most that length: comparing two names takes up to a millisecond.
NAMES_COMPARED_MAX = 100
NAME_COMPARED_LENGTH_MAX = 60
