"""`python -m capscan` is the program `capscan`."""

from capscan.cli import main

main(prog_name="capscan")
