"""All problems: what they are, how they checked out, and opening one's own."""

from amijax.ui import collection, upload
from amijax.ui.page import begin

context = begin("Problems")
collection.show()
upload.show(context.session)
