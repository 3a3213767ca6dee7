"""Write the reference: `make reference`."""

from tests.reference.pages import FOLDER, pages

FOLDER.mkdir(exist_ok=True)
for path, text in pages().items():
    path.write_text(text)
print(f"{FOLDER}: written")
