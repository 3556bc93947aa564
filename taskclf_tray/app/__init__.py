"""The running application: worker, session, commands, and every sentence the user reads."""
