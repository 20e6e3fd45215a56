"""What a shifter wants to know: which nights are done, held, failed or waiting, and why; and what needs care soon."""
