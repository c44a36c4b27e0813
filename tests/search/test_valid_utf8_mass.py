"""Thousands of hypotheses of untrained and half-trained models: none is invalid, and recovery drops no byte."""

import re
import sys
from pathlib import Path

from conftest import run

SCRIPT = Path(__file__).parents[2] / "scripts" / "valid_utf8_mass.py"
LINES = ["日本語は難しい", "ελληνικά γράμματα", "русский язык", "smile 😀😃😎 please", "naïve café", "ภาษาไทย", "हिन्दी"]


def test_no_hypothesis_of_five_thousand_is_invalid(tmp_path):
    text = tmp_path / "text"
    lines = [f"{LINES[n % 7]} {LINES[n // 7 % 7]} {chr(0x4E00 + n)}{chr(0x1F600 + n % 60)}" for n in range(500)]
    text.write_text("\n".join(lines) + "\n", encoding="utf-8")
    printed = run(sys.executable, SCRIPT, "--text", text, "--pieces", "256", "512").stdout
    of_each = re.findall(r"(\d+) hypotheses, 0 invalid, 0 bytes to recover from; .* (\d+) of \1 invalid", printed)
    assert len(of_each) == 10, printed
    assert all(int(without_the_rule) > 0 for _, without_the_rule in of_each), printed
    assert "5,040 hypotheses, 0 invalid" in printed
