"""A lock for loading models, one at a time.

transformers and diffusers replace constructors of torch in the whole process while they load. Two loads at once may
leave them replaced, and every later model would then be empty, on the meta device.
"""

from __future__ import annotations

import threading

loading_lock = threading.RLock()
