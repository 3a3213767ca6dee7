"""Write the reference: `make reference`."""

from tests.reference.pages import FOLDER, PICTURE, pages
from tests.reference.picture import picture

FOLDER.mkdir(exist_ok=True)
for path, text in pages().items():
    path.write_text(text)
PICTURE.write_text(picture())
print(f"{FOLDER}: written")
