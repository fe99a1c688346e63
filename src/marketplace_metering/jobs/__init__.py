"""The six verbs of the product: record, seal, submit, deliver alarms, correct, serve."""
