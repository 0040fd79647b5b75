"""nmer physics: what it refuses before anything is written."""

import pytest

from nmer.cli.main import main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["AceAla9Nme"], "--molecule"),
        (["nothing-there"], "is no family (polyalanine, polyalanine-water, water); give molecules with"),
        (["mine", "--molecule", "conh-water"], "has caps"),
        (["mine", "--molecule", "C" * 40], "smaller molecules"),
        (["mine", "--molecule", "O", "--level", "mp2"], "gfn2-xtb"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(words, said, tmp_path, capsys) -> None:
    assert main(["physics", *words, "--store", str(tmp_path / "store")]) == 2
    message = capsys.readouterr().err.strip()
    assert said in message and "\n" not in message
    assert not (tmp_path / "store").exists()
