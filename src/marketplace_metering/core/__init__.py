"""The rules of exactly-once metering: values in, values out; no clock, no I/O."""
