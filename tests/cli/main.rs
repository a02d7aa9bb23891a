//! The command as it is run: streams, colours, hints and exit codes.
