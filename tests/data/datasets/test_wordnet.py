import io
import tarfile

import pytest

from poeem.data.datasets import EMBEDDED_SETS, wordnet

FILES = {
    "noun": "  1 This licence line begins with spaces.\n"
    '00001740 03 n 02 object 0 physical_object 0 000 | a thing; "full of objects"; "shared by two"  \n'
    "00001930 03 n 0a a 0 b 0 c 0 d 0 e 0 f 0 g 0 h 0 i 0 j 0 000 | ten words, of a hexadecimal count  \n",
    "verb": '00003000 29 v 01 see 0 000 01 + 02 00 | perceive; "shared by two"; "he saw; it was late"  \n',
    "adj": "00004000 00 a 01 abloom(p) 0 000 | bursting into flower  \n",
    "adv": "",
}


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "wordnet.tgz"
    with tarfile.open(path, "w:gz") as files:
        for part, text in FILES.items():
            info = tarfile.TarInfo(f"package/dict/data.{part}")
            info.size = len(text)
            files.addfile(info, io.BytesIO(text.encode("latin-1")))
    return path


def test_senses_and_the_examples_that_belong_to_one(archive):
    senses, examples, sense_of = wordnet.read_senses(archive)
    assert senses == [
        "object, physical object: a thing",
        "a, b, c, d, e, f, g, h, i, j: ten words, of a hexadecimal count",
        "see: perceive",
        "abloom: bursting into flower",
    ]
    assert dict(zip(examples, sense_of.tolist())) == {"full of objects": 0, "he saw; it was late": 2}


@pytest.mark.data
def test_as_published():
    senses, examples, sense_of = wordnet.read_senses(EMBEDDED_SETS["wordnet"].source.fetch())
    assert (len(senses), len(examples), len(sense_of)) == (117_791, 48_347, 48_347)
    assert senses[sense_of[examples.index("the team is a unit")]].startswith("whole, unit: ")
