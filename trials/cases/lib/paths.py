"""Where the binary and the inputs are, and where runs may write."""
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
RUN = os.environ.get('CASES_RUN', os.path.join(tempfile.gettempdir(), 'courtside-cases'))
BIN = os.environ.get('COURTSIDE', f"{os.environ.get('CARGO_TARGET_DIR', ROOT / 'target')}/debug/courtside")
GAME = os.environ.get('COURTSIDE_GAME', str(ROOT / 'assets/demo/game.flv'))
IN = RUN + '/in/'
MOSQUITTO = shutil.which('mosquitto') or '/usr/sbin/mosquitto'
os.makedirs(IN, exist_ok=True)
if not os.path.exists(IN + 'made'):
    subprocess.run(['bash', str(ROOT / 'trials/cases/lib/make_inputs.sh'), IN], check=True)
