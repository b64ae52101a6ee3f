"""Accounts of organizations, for the end-to-end tests."""
import time


def new_account(client, name, email=None):
    """Asks for one and waits: what the request has come to."""
    status = client.create_account(AccountName=name, Email=email or f"{name}@example.com")["CreateAccountStatus"]
    assert status["State"] == "IN_PROGRESS" and status["Id"].startswith("car-")
    for _ in range(100):
        status = client.describe_create_account_status(CreateAccountRequestId=status["Id"])["CreateAccountStatus"]
        if status["State"] != "IN_PROGRESS":
            return status
        time.sleep(0.05)
    raise AssertionError(f"the account was never made: {status}")
