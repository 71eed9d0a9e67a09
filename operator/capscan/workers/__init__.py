"""Work on what strangers wrote, done in processes of its own, with limits on time and memory."""
