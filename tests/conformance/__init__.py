"""Programs of operations on deferred work, and an interpreter of them that answers as a recorded Linux kernel did."""
