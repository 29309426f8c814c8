"""The operations of every device on their way: lines, deliveries, and who waits for them."""
