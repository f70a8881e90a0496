#!/bin/sh
# Prints the rows that the tests of `make test-faults` have measured, as one table, and under promise 4
# the turns of all of them. Fails unless every promise holds.
# Usage: table.sh ROWS
set -eu
sort -t '|' -k 1,1n -s "$1" | awk -F '|' '
BEGIN {
	print "| promise | fault | counted | lost, doubled, reordered, or the promised number | verdict |"
	print "|---|---|---|---|---|"
}
{
	printf "| %s | %s | %s | %s | %s |\n", $1, $2, $3, $4, $5
	if ($5 != "holds") broken++
}
{ turns += $6; open += $7; if ($4 == "the test broke off") gone++ }
END {
	holds = open == 0 && turns >= 20000 && gone == 0
	verdict = holds ? "holds" : "BROKEN"
	printf "| 4 | all of these faults | %d turns accepted | %d without an end (at least 20000 turns) | %s |\n", turns, open, verdict
	printf "\n%d rows, %d broken\n", NR + 1, broken + !holds
	exit broken + !holds > 0
}'
