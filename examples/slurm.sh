#!/bin/bash
# One sweep over several machines: sbatch examples/slurm.sh
#SBATCH --job-name=phase_diagram
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --time=04:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append

# A task a GPU: of Slurm's tasks JAX gives each one GPU of its machine, so all of a machine's GPUs
# must be seen by all of its tasks (no --gpus-per-task). JAX finds coordinator, number of processes
# and their ids from Slurm. The folder must be one that all machines share. SIGTERM ends every
# process with 75: the job goes back into the queue, and the same command goes on where it was.
srun --kill-on-bad-exit=0 \
    sandwich-jax sweep experiments/phase_diagram.toml \
    --out "${SCRATCH:-.}/phase_diagram" --distributed
status=$?
if [ "$status" -eq 75 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
