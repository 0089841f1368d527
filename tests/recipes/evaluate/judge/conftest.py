import pytest

from tests.recipes.evaluate.judge.server import JudgeServer


@pytest.fixture
def server():
    server = JudgeServer()
    yield server
    server.shutdown()
    server.server_close()
