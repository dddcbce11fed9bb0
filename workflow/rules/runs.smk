"""The beginning of a run and its end in failure, on one machine and on a cluster.

When the Snakefile is read, nothing is asked of a cluster, for every job and every dry run reads it.
When a run starts, its jobs are known and none is submitted: what no node can do is said then,
and jobs that a killed run has left are cancelled.
"""

from collections import Counter

from snakemake.settings.enums import Quietness

from metalyra.core import (
    ClusterError,
    Request,
    StudyLockedError,
    cancel_jobs_of,
    check_cluster,
    check_states,
    explain_failures,
    lock_study,
    wait_for_jobs,
)


def begin_run(logs):
    """Lock the study, end what a killed run has left, and ask the cluster for what jobs need.

    The kernel lets go of this lock however the run ends, so that a killed run starts again with
    the same command; Snakemake's own lock (off in our profiles) would have to be taken away by
    hand.
    """
    folder = Path(f"results/{config['study']}")
    try:
        before = lock_study(folder, logs)
        check_slurm()
        for earlier in before:
            cancel_jobs_of(earlier)
        wait_for_jobs(folder)
    except (StudyLockedError, ClusterError) as error:
        raise WorkflowError(str(error)) from None


def check_slurm():
    """Check what this run asks of a cluster, if it runs on one with SLURM."""
    settings = workflow.executor_settings
    if not hasattr(settings, "status_command"):
        return
    check_states(settings.status_command, settings.init_seconds_before_status_checks)
    if Quietness.ALL in (workflow.output_settings.quiet or ()):
        raise ClusterError(
            "with --quiet all, the log of a run does not name its jobs, so that those it leaves are "
            "not found; use --quiet rules progress"
        )
    jobs = [job for job in workflow.dag.needrun_jobs() if not job.is_local]
    of_group = Counter(job.rule.group for job in jobs)
    # Where partitions are chosen by job or on another cluster, those who choose know better.
    if not settings.partition_config:
        check_cluster(
            {
                what_is_asked(job, of_group[job.rule.group])
                for job in jobs
                if not job.resources.get("slurm_cluster")
            }
        )


def what_is_asked(job, of_its_group):
    """Return what a job asks of a cluster, with the jobs that share its submission."""
    resources = job.resources
    together = min(workflow.group_settings.group_components.get(job.rule.group, 1), of_its_group)
    return Request(
        job.rule.name,
        # Names of digits alone are read as numbers.
        partition=str(resources.get("slurm_partition") or ""),
        account=str(resources.get("slurm_account") or ""),
        cores=job.threads,
        memory=resources.get("mem_mb", 0),
        gpus=resources.get("gpu", 0),
        runtime=resources.get("runtime", 0) * together,
    )


def explain_what_failed(logs):
    """Say what has become of the jobs that have failed, here and on a cluster, and what to do."""
    for log in logs:
        for line in explain_failures(log.read_text(errors="replace"), Path.cwd()):
            logger.error(f"MetaLyra: {line}")


# On the node of a submission, the executor for SLURM would start Snakemake again for each of its
# jobs. Local ones it runs itself, one after the other. These are all rules that were read before,
# ours and those of a workflow that takes ours in: so this file is the last one.
if workflow.remote_exec:
    for earlier in workflow.rules:
        earlier.group = None
        workflow.localrules(earlier.name)
