"""What papers print beside ours: for one study, and for all of them as one workflow."""

import pandas as pd
import yaml

PAPERS = ("--cores", "1", "--configfile", "config/papers.yaml")


def test_a_study_is_compared_with_the_paper_that_it_reproduces(demo):
    catalogue = pd.read_csv(demo.path("results/demo/catalogue/metallicities.csv"))
    content = {
        "paper": "Somebody (2020)",
        "study": "monti25",
        "tables": [
            {
                "where": "Table 1",
                "of": "stars",
                "product": "catalogue/metallicities.csv",
                "rows": [
                    {"statistic": "number", "printed": {"stars": str(len(catalogue))}},
                    {"statistic": "mean", "printed": {"ra": "-1.0"}},
                ],
            }
        ],
        "figures": [
            {"where": "Figure 1", "shows": "Stars", "products": ["figures/metallicities.png"]}
        ],
    }
    demo.path("resources/published/monti_2025.yaml").write_text(yaml.safe_dump(content))
    output = demo.run(
        *("results/demo/reproduction.html", "--cores", "1"),
        *("--config", "reproduces=monti_2025"),
    )
    assert "Comparing the study with the paper" in output
    table = pd.read_csv(demo.path("results/demo/reproduction.csv"))
    assert table["verdict"].tolist() == ["reproduced", "differs"]
    page = demo.path("results/demo/reproduction.html").read_text()
    assert "data:image/png;base64," in page
    assert "Somebody (2020)" in page


def test_a_study_that_reproduces_nothing_says_so(demo):
    status, output = demo.attempt("results/demo/reproduction.html", "--cores", "1")
    assert status != 0
    assert "the key reproduces is missing" in output


def test_the_papers_are_planned_as_one_workflow(new_project, mirror):
    project = new_project()
    plan = project.run(*PAPERS, "--dry-run", METALYRA_MIRROR=str(mirror))
    for job in ("dg22_paper_table", "monti24_experiment_table", "monti25_train_batch", "papers"):
        assert f"\n{job} " in plan
    quick = project.run(*PAPERS, "--dry-run", "--config", "papers=[monti25]", "effort=full")
    assert "dg22" not in quick
    assert "\nmonti25_train " in quick
    status, output = project.attempt(*PAPERS, "--dry-run", "--config", "papers=[dg23]")
    assert status != 0
    assert "dg23 reproduces no paper; the studies that do are dg22, monti24, monti25" in output
