"""The file that is meant, where one does not exist."""

import pytest

from rxdag.contract import nearest_file


@pytest.mark.parametrize(
    ("name", "there", "meant"),
    [
        ("bars.yml", ["bars.yaml", "bars.csv", "a.yml"], "bars.yaml"),
        ("trades.csv", ["trades.csv.gz"], "trades.csv.gz"),
        ("trades.parquet", ["trades.csv"], "trades.csv"),
        ("trade.csv", ["trades.csv", "quotes.csv"], "trades.csv"),
        ("bars", ["bars.yaml"], "bars.yaml"),
        ("none.csv", ["b.csv", "quotes.csv"], None),
        ("none.csv", [], None),
    ],
)
def test_the_nearest_file_has_nearly_the_same_name(tmp_path, name, there, meant):
    for each in there:
        (tmp_path / each).touch()
    expected = "" if meant is None else f'; did you mean "{tmp_path / meant}"?'
    assert nearest_file(str(tmp_path / name)) == expected


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    assert nearest_file(str(tmp_path / "no" / "x.csv")) == f'; its directory "{tmp_path}/no" does not exist either'


def test_a_file_beside_is_named_without_its_folder(tmp_path, monkeypatch):
    (tmp_path / "bars.yaml").touch()
    monkeypatch.chdir(tmp_path)
    assert nearest_file("bars.yml") == '; did you mean "bars.yaml"?'
