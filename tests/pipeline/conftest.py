"""Makes the fakes importable here and, since workers take over the path, in worker processes."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
