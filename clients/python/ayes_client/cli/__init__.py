"""``ayes-client``: everything a member or an admin does, from a terminal or a script.

Exit statuses, which scripts may trust:

    0    done; also if the same id was answered before, or if there was nothing to change
    1    a defect of this program
    2    wrong usage: an argument, the address, or no token
    3    refused for good (the code is on stderr, or in the JSON)
    4    refused as it is: change something first, then use a new id
    5    the token is not accepted
    6    unknown: sent, and not answered in time. The same --id, sent again, settles it
    7    no server was reached in time, or it could not take the command; nothing happened
    8    (wait) the proposal was closed and not carried
    9    (wait) it did not happen in time
    130  interrupted; 141: the reader of the output closed it
"""

from ayes_client.cli.exits import status_of
from ayes_client.cli.parser import build_parser
from ayes_client.cli.program import main

__all__ = ["build_parser", "main", "status_of"]
