import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for dl3_folder, however pytest imports the tests
