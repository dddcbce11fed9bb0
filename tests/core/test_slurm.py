"""What a run asks of a SLURM cluster, with commands in its place that say what SLURM says."""

from pathlib import Path

import pytest

from metalyra.core.slurm import (
    ClusterError,
    Request,
    cancel_jobs_of,
    check_cluster,
    check_states,
    explain_failures,
    find_unknown,
    read_limit,
    read_nodes,
)

SINFO = """\
short*|up|16|64000|(null)|4:00:00
short*|up|32|128000|(null)|4:00:00
gpu|up|64|512000|gpu:a100:4(S:0-1),mps:100|2-00:00:00
old|down|4|8000|(null)|infinite
"""
DEFAULT = {
    "partition": "",
    "account": "",
    "cores": 1,
    "memory": 2000,
    "gpus": 0,
    "runtime": 60,
}


def ask(**further) -> Request:
    return Request("train", **{**DEFAULT, **further})


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Commands of SLURM, and what each says; what they were asked is in the file `asked`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr("metalyra.core.slurm.shutil.which", lambda name: find(folder, name))

    def say(command: str, text: str = "", status: int = 0) -> Path:
        path = folder / command
        (folder / f"{command}.text").write_text(text)
        path.write_text(
            f'#!/bin/sh\necho {command} "$@" >> {tmp_path}/asked\n'
            f"cat {path}.text{' >&2' if status else ''}\nexit {status}\n"
        )
        path.chmod(0o755)
        return tmp_path / "asked"

    say("sinfo", SINFO)
    return say


def find(folder: Path, name: str) -> str | None:
    return str(folder / name) if (folder / name).exists() else None


def test_nodes_are_read_with_their_gpus_and_limits():
    nodes = read_nodes(SINFO)
    assert [node.gpus for node in nodes] == [0, 0, 4, 0]
    assert [node.limit for node in nodes] == [240, 240, 2880, float("inf")]
    assert [node.is_default for node in nodes] == [True, True, False, False]
    assert (nodes[1].cores, nodes[1].memory) == (32, 128000)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("30:00", 30),
        ("1:30:00", 90),
        ("1-00:00:00", 1440),
        ("0:30", 0.5),
        ("infinite", float("inf")),
    ],
)
def test_time_limits_are_read(text, minutes):
    assert read_limit(text) == minutes


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"memory": 200000},
            "train asks for 200000 MB of memory, and the partition short gives 128000",
        ),
        ({"cores": 40}, "40 cores, and the partition short gives 32 at most"),
        ({"runtime": 300}, "300 minutes, and the partition short gives 240 at most"),
        ({"gpus": 1}, "asks for 1 GPU(s), which no node of the partition short has"),
        (
            {"gpus": 8, "partition": "gpu"},
            "asks for 8 GPU(s), which no node of the partition gpu has",
        ),
        (
            {"partition": "long"},
            "no partition long; name one with --default-resources slurm_partition",
        ),
        ({"partition": "old"}, "the partition old is down"),
    ],
)
def test_what_no_node_can_meet_is_one_line_that_says_what_to_do(slurm, asked, said):
    with pytest.raises(ClusterError) as caught:
        check_cluster([ask(), ask(**asked)])
    [line] = str(caught.value).splitlines()
    assert said in line
    assert (
        "--set-resources train:" in line or "--default-resources" in line or "--set-threads" in line
    )


def test_a_cluster_that_has_all_says_nothing(slurm):
    check_cluster([ask(), ask(gpus=4, partition="gpu"), ask(memory=500000, partition="short,gpu")])


def test_a_cluster_without_a_default_partition_is_to_be_told_one(slurm):
    slurm("sinfo", SINFO.replace("*", ""))
    check_cluster([ask(partition="short")])
    with pytest.raises(ClusterError, match=r"no default partition; .*\(gpu, old, short\)"):
        check_cluster([ask()])


def test_an_account_is_one_of_the_users(slurm):
    slurm("sacctmgr", "   Mine\n  ours \n")
    check_cluster([ask(account="mine"), ask(account="OURS,mine")])
    with pytest.raises(ClusterError, match=r"no account theirs .*\(there are: mine, ours\)"):
        check_cluster([ask(account="theirs")])


def test_no_account_is_named_where_none_is_kept(slurm):
    slurm("sacctmgr", "accounting storage is disabled", 1)
    with pytest.raises(ClusterError, match="keeps no accounts; leave out slurm_account=mine"):
        check_cluster([ask(account="mine")])


def test_accounts_that_slurm_does_not_tell_are_believed():
    assert find_unknown(["mine"], []) == []


def test_a_silent_slurm_is_an_error(slurm):
    slurm("sinfo", "Unable to contact slurm controller\n", 1)
    with pytest.raises(ClusterError, match="does not answer: Unable to contact slurm controller"):
        check_cluster([ask()])


def test_a_machine_without_slurm_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        ClusterError, match="no sinfo on this machine; start the run on a login node"
    ):
        check_cluster([ask()])


@pytest.mark.parametrize(
    ("command", "remembered", "has_accounts", "said"),
    [
        ("squeue", 300, False, None),
        ("sacct", 300, True, None),
        ("sacct", 300, False, "add --slurm-status-command squeue"),
        ("squeue", 60, True, "add --slurm-status-command sacct"),
        ("squeue", 60, False, "MinJobAge=300"),
    ],
)
def test_a_run_that_would_wait_for_ever_does_not_start(
    slurm, command, remembered, has_accounts, said
):
    slurm("scontrol", f"Configuration\nMinJobAge               = {remembered} sec\n")
    slurm("sacct", "" if has_accounts else "storage is disabled", 0 if has_accounts else 1)
    if said is None:
        check_states(command, 20)
    else:
        with pytest.raises(ClusterError, match=said):
            check_states(command, 20)


def test_the_jobs_of_a_killed_run_are_cancelled_by_its_name(slurm, tmp_path):
    asked = slurm("squeue", "12\n13\n")
    slurm("scancel")
    # They are gone once they are cancelled.
    (tmp_path / "bin/scancel").write_text(
        f'#!/bin/sh\necho scancel "$@" >> {asked}\n: > {tmp_path}/bin/squeue.text\n'
    )
    log = tmp_path / "run.log"
    log.write_text("Building DAG of jobs...\nSLURM run ID: metalyra_1a-2b\nUsing shell\n")
    cancel_jobs_of(log, pause=0)
    commands = [line.split()[0] for line in asked.read_text().splitlines()]
    assert commands == ["squeue", "scancel", "squeue"]
    assert "--name metalyra_1a-2b" in asked.read_text().splitlines()[1]


def test_a_run_without_jobs_on_a_cluster_has_none_to_cancel(slurm, tmp_path):
    asked = slurm("squeue", "12\n")
    slurm("scancel")
    (tmp_path / "run.log").write_text("Building DAG of jobs...\n")
    cancel_jobs_of(tmp_path / "run.log")
    cancel_jobs_of(tmp_path / "lost.log")
    assert not asked.exists()


def write_run(folder: Path, job: int, state: str, text: str | None) -> str:
    """Write the log of a job, and return what Snakemake says of it."""
    log = folder / f"rule_fit/{job}.log"
    if text is not None:
        log.parent.mkdir(exist_ok=True)
        log.write_text(text)
    return (
        f"Job 7 has been submitted with SLURM jobid {job} (log: {log}).\n"
        f"Error in rule fit:\n    message: SLURM-job '{job}' failed, SLURM status is: '{state}'. "
        "Detailed failure reason unavailable (status command is not 'sacct').\n"
    )


@pytest.mark.parametrize(
    ("state", "text", "said"),
    [
        ("OUT_OF_MEMORY", "", "ran out of memory; ask for more: --set-resources fit:mem_mb="),
        ("FAILED", "slurmstepd: error: Exceeded job memory limit", "ran out of memory"),
        ("FAILED", "error: Detected 1 oom_kill event in StepId=3.0", "ran out of memory"),
        ("TIMEOUT", "", "reached the time limit; ask for more: --set-resources fit:runtime="),
        ("CANCELLED", "", "were cancelled by somebody"),
        ("NODE_FAIL", "", "lost the node"),
        ("FAILED", "OSError: [Errno 28] No space left on device", "found the disk full; free some"),
        ("FAILED", None, "the nodes must see"),
        ("FAILED", "ValueError: no stars", "failed; their logs say why"),
    ],
)
def test_failures_are_told_with_what_to_do(tmp_path, state, text, said):
    log = write_run(tmp_path, 3, state, text) + write_run(tmp_path, 4, state, text)
    [line] = explain_failures(log, tmp_path)
    assert line.startswith("fit: 2 submission(s)")
    assert said in line
    assert (f"(log: {tmp_path}/rule_fit/4.log)" in line) == (text is not None)


@pytest.mark.parametrize(
    ("text", "rule", "said"),
    [
        ("oom_kill", "predict", "ran out of memory"),
        ("Error in rule recovery:\n  oom_kill\n", "recovery", "ran out of memory"),
        ("*** JOB 3 ON a CANCELLED AT 9:45 DUE TO TIME LIMIT ***", "predict", "reached the time"),
        ("*** STEP 3.0 ON a CANCELLED AT 9:45 DUE TO NODE FAILURE ***", "predict", "lost the node"),
        ("*** JOB 3 ON a CANCELLED AT 9:45 ***", "predict", "were cancelled by somebody"),
    ],
)
def test_of_a_group_the_log_says_why_it_has_failed_and_which_rule(tmp_path, text, rule, said):
    log = tmp_path / "group_predict_predict/3.log"
    log.parent.mkdir()
    log.write_text(text)
    told = (
        f"Job 1a-2b has been submitted with SLURM jobid 3 (log: {log}).\n"
        "    message: Error in group predict\n"
        f"    log: {log} (check log file(s) for error details)\n    jobs:\n        rule predict:\n"
    )
    [line] = explain_failures(told, tmp_path)
    assert line.startswith(f"{rule}: 1 submission(s) {said}")
    assert line.endswith(f"(log: {log})")


RUN = """\
Job ff24dd83-0d9f-548f-ae30-a86720df5dae has been submitted with SLURM jobid 30 \
(log: {logs}/group_fit_fit/30.log).
Job b4992fcf-ae0b-51bc-a49e-eb7e5030f8eb has been submitted with SLURM jobid 33 \
(log: {logs}/group_fit_fit/33.log).
[Sun Nov 29 12:38:58 2026]
    message: Error in group fit
    log: {logs}/group_fit_fit/30.log (check log file(s) for error details)
    jobs:
        rule fit:
            jobid: 13
            output: results/tiny/fits/ogle_i/9.parquet, results/tiny/folded/ogle_i/9.parquet
            log: results/tiny/logs/fit/ogle_i/9.log (check log file(s) for error details)
    [Sun Nov 29 12:38:58 2026]
    Error in rule fit:
        message: None
        jobid: 13
        input: results/tiny/stars/ogle_i.parquet, results/tiny/light_curves/ogle_i/9.parquet
        output: results/tiny/fits/ogle_i/9.parquet, results/tiny/folded/ogle_i/9.parquet
        log: results/tiny/logs/fit/ogle_i/9.log (check log file(s) for error details)
Trying to restart job ff24dd83-0d9f-548f-ae30-a86720df5dae.
Select jobs to execute...
Job ff24dd83-0d9f-548f-ae30-a86720df5dae has been submitted with SLURM jobid 36 \
(log: {logs}/group_fit_fit/36.log).
[Sun Nov 29 12:39:00 2026]
Finished jobid: 4 (Rule: fit)
1 of 18 steps (6%) done
[Sun Nov 29 12:40:05 2026]
Finished jobid: 13 (Rule: fit)
8 of 18 steps (44%) done
Job 16 has been submitted with SLURM jobid 39 (log: {logs}/rule_label/ogle_i/39.log).
[Sun Nov 29 12:40:46 2026]
Error in rule label:
    message: SLURM-job '39' failed, SLURM status is: 'FAILED'. Detailed failure reason \
unavailable (status command is not 'sacct').For further error details see the cluster/cloud log \
and the log files of the involved rule(s).
    jobid: 16
    input: results/tiny/stars/ogle_i.parquet, results/tiny/fits/ogle_i/0.parquet
    output: results/tiny/labels/ogle_i.parquet
    log: results/tiny/logs/label/ogle_i.log, {logs}/rule_label/ogle_i/39.log (check log file(s) \
for error details)
    external_jobid: 39
Trying to restart job 16.
Select jobs to execute...
Execute 1 jobs...
[Sun Nov 29 12:40:46 2026]
Job 16: Estimating metallicities of ogle_i by the relation dekany2021
Job 16 has been submitted with SLURM jobid 40 (log: {logs}/rule_label/ogle_i/40.log).
"""
"""What Snakemake has written of a run on two nodes, without lines that say nothing of failures."""


def write_failed(logs: Path, *names: str) -> None:
    """Write logs of submissions that were over their memory."""
    for name in names:
        (logs / name).parent.mkdir(parents=True, exist_ok=True)
        (logs / name).write_text("slurmstepd: error: Exceeded job memory limit\n")


def test_attempts_that_were_made_good_are_told_apart(tmp_path):
    write_failed(tmp_path, "group_fit_fit/30.log", "rule_label/ogle_i/39.log")
    unfinished = RUN.format(logs=tmp_path)
    label, fit = explain_failures(unfinished, tmp_path)
    assert label.startswith("label: 1 submission(s) ran out of memory")
    assert fit == (
        "fit: 1 submission(s) failed and were made good by another attempt; nothing to do"
    )
    [both] = explain_failures(f"{unfinished}Finished jobid: 16 (Rule: label)\n", tmp_path)
    assert both == (
        "fit, label: 2 submission(s) failed and were made good by another attempt; nothing to do, "
        "but what is said above has ended the run; the same command goes on"
    )


def test_a_group_is_made_good_when_all_its_jobs_have_finished(tmp_path):
    write_failed(tmp_path, "group_fit_fit/30.log")
    other = "        rule fit:\n            jobid: 14\n            output: 10.parquet\n"
    run = RUN.format(logs=tmp_path).replace("    jobs:\n", f"    jobs:\n{other}")
    assert explain_failures(run, tmp_path)[0].startswith("fit: 1 submission(s) ran out of memory")
    [_, fit] = explain_failures(f"{run}Finished jobid: 14 (Rule: fit)\n", tmp_path)
    assert fit.startswith("fit: 1 submission(s) failed and were made good")


def test_what_slurm_refuses_is_told_once(tmp_path):
    refused = (
        "    message: SLURM sbatch failed. The error message was 'sbatch: error: Batch job "
        "submission failed: Requested node configuration is not available'.\n    sbatch call:\n"
    )
    [line] = explain_failures(3 * refused, tmp_path)
    assert line.endswith("Requested node configuration is not available")


HERE = """\
RuleException:
CalledProcessError in file "/study/workflow/rules/figures.smk", line 77:
[Sun Nov 29 16:39:14 2026]
Error in rule figure_bailey:
    message: None
    jobid: 41
    input: results/tiny/fits/ogle_i/0.parquet
    output: results/tiny/figures/bailey/ogle_i.png
    log: results/tiny/logs/figures/bailey/ogle_i.log (check log file(s) for error details)
Trying to restart job 41.
Select jobs to execute...
"""


def test_jobs_that_fail_where_snakemake_runs_are_told_of_once(tmp_path):
    path = "results/tiny/logs/figures/bailey/ogle_i.log"
    told = "figure_bailey: {} job(s) failed; their logs say why (log: {})"
    another = HERE.replace("41", "42").replace("ogle_i", "vvv_ks")
    assert explain_failures(2 * HERE, tmp_path) == [told.format(1, path)]
    assert explain_failures(HERE + another, tmp_path) == [
        told.format(2, path.replace("ogle_i", "vvv_ks"))
    ]
    assert explain_failures(f"{HERE}Finished jobid: 41 (Rule: figure_bailey)\n", tmp_path) == []


def test_jobs_that_the_user_or_the_system_has_ended_are_told_apart(tmp_path):
    stopped = f"Terminating processes on user request, this might take some time.\n{HERE}"
    assert explain_failures(stopped, tmp_path) == []
    [line] = explain_failures(f"Command 'x' died with <Signals.SIGKILL: 9>.\n{HERE}", tmp_path)
    assert line.startswith("figure_bailey: 1 job(s) ran out of memory, or were killed")


def test_the_log_of_a_job_that_failed_where_snakemake_runs_says_why(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log = Path("results/tiny/logs/figures/bailey/ogle_i.log")
    log.parent.mkdir(parents=True)
    log.write_text("OSError: [Errno 28] No space left on device\n")
    [line] = explain_failures(HERE, tmp_path)
    assert line.startswith("figure_bailey: 1 job(s) found the disk full; free some space in")
    assert line.endswith(f"(log: {log})")


UNSEEN = """\
MissingOutputException in rule label in file "/study/workflow/rules/label.smk", line 8:
Job 16 completed successfully, but some output files are missing. Missing files after 60 seconds. \
This might be due to filesystem latency. If that is the case, consider to increase the wait time \
with --latency-wait:
results/tiny/labels/ogle_i.parquet (missing locally, parent dir not present)
Trying to restart job 16.
"""


def test_files_that_are_not_seen_are_told_of_once(tmp_path):
    [line] = explain_failures(UNSEEN * 3, tmp_path)
    assert line.startswith("label: a job has ended well, and 60 s later its files were not to be")
    assert "--latency-wait" in line
    assert explain_failures(UNSEEN + "Finished jobid: 16 (Rule: label)\n", tmp_path) == []


def test_a_job_that_could_not_be_submitted_is_told_of(tmp_path):
    log = "Exception in run_job for rule label: Resource temporarily unavailable\n"
    assert explain_failures(log, tmp_path) == [
        "label: a job could not be submitted: Resource temporarily unavailable"
    ]


def test_a_run_whose_jobs_have_not_failed_has_nothing_to_tell(tmp_path):
    assert explain_failures("Finished jobid: 3 (Rule: fit)\n", tmp_path) == []
