"""BallNet: where the ball is, picture by picture; a rule makes made or missed of its way. See README.md beside this file."""
