#!/usr/bin/env bash
# One small job that runs the flow and starts the jobs that label:
#   sbatch deploy/submit.sh ch3-water --preset laptop --on slurm
# If its walltime ends it, submit it again: what is finished is kept. Some clusters want the flow on the login node
# instead: then run the last line there, in tmux.
#SBATCH --job-name=nmer
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=2
#SBATCH --mem=8G
#SBATCH --time=7-00:00:00
#SBATCH --output=nmer-%j.log
set -euo pipefail

# Prefect's database needs a local disk (SQLite); the store does not, but for its ledger see docs/format.md.
export PREFECT_HOME="${PREFECT_HOME:-${TMPDIR:-/tmp}/prefect-$USER-${SLURM_JOB_ID:-0}}"
export DO_NOT_TRACK=1 PREFECT_SERVER_ANALYTICS_ENABLED=false

if [ -n "${NMER_SIF:-}" ]; then
    exec apptainer run "$NMER_SIF" run "$@"
fi
exec nmer run "$@"
