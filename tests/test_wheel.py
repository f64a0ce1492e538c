"""The wheel carries rules, flows and examples, and releases a corpus outside the checkout."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent

# A build front end warns about things of its own; what counts is what the wheel does.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def share_kernels(site: Path) -> None:
    """Give the installed modules the age of those here, and the machine code that these were compiled to.

    Compiling it takes a minute, and says nothing of the wheel. Code of a module that differs is not used: it is kept
    under the size, the age and a digest of what it was made from.
    """
    for compiled in (CHECKOUT / "corpus_gov").rglob("__pycache__/*.nb?"):
        there = site / compiled.relative_to(CHECKOUT)
        if there.parent.parent.is_dir():
            there.parent.mkdir(exist_ok=True)
            shutil.copy2(compiled, there)
    for module in (CHECKOUT / "corpus_gov").rglob("*.py"):
        times = module.stat()
        os.utime(site / module.relative_to(CHECKOUT), ns=(times.st_atime_ns, times.st_mtime_ns))


def test_the_wheel_runs_a_release_in_an_empty_environment(tmp_path):
    """Built, installed alone into a new environment, it makes and verifies the demo's release far from the checkout."""
    built = tmp_path / "dist"
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", str(built), str(CHECKOUT)], check=True, cwd=tmp_path)
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / "bin" / "python"
    site = next(environment.glob("lib/python*/site-packages"))
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps"]
    subprocess.run([*install, str(next(built.glob("*.whl")))], check=True, cwd=tmp_path)
    # Dependencies come from the environment of the tests, without the checkout: its editable install stays out.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    share_kernels(site)
    command = [str(python), "-m", "corpus_gov.cli"]
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"CORPUS_GOV_KEYS": str(tmp_path / "keys")}

    where = subprocess.run(
        [str(python), "-c", "import corpus_gov; print(corpus_gov.__file__)"],
        env=clean, cwd=tmp_path, check=True, capture_output=True, text=True,
    )  # fmt: skip
    done = subprocess.run(
        [*command, "demo", str(tmp_path / "demo"), "--workers", "1", "--json"],
        env=clean, cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    verified = subprocess.run([*command, "verify", str(tmp_path / "demo")], env=clean, cwd=tmp_path, check=False)

    assert Path(where.stdout.strip()).is_relative_to(environment)
    assert json.loads(done.stdout)["run"]["counts"]["documents"] > 200
    assert verified.returncode == 0
    assert (site / "corpus_gov" / "shipped" / "flows" / "govern.py").is_file()
    assert (site / "corpus_gov" / "shipped" / "rules" / "policies" / "default.yaml").is_file()
    shutil.rmtree(environment)
