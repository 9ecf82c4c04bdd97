"""A lock that whoever loads a model holds.

transformers and diffusers swap constructors of torch for the whole process while they load. Two loads at once may leave
them swapped, after which every new model is an empty one on the meta device.
"""

from __future__ import annotations

import threading

loading_lock = threading.RLock()
