"""Steering a study while it runs: commands, what is in force, and what that means for new proposals.

Steering never touches a trial that exists. It changes which architectures may be proposed from now on, which of them
are preferred, how much may be spent, and what waits for a person. What is in force is a function of the log of applied
commands, and of nothing else.
"""

from neuramosaic.steering.commands import SteeringCommand, command_from_json, describe
from neuramosaic.steering.constraint import Constraint
from neuramosaic.steering.force import Steering, undo
from neuramosaic.steering.parsing import parse_command

__all__ = ["Constraint", "Steering", "SteeringCommand", "command_from_json", "describe", "parse_command", "undo"]
