"""What PROFILE adds to an environment."""

from tools.stack.quick_start import Servers, settings

SERVERS = Servers("10.0.0.1", aws=4566, amqp=5672, management=15672)


def test_both_profiles_lead_to_servers_beside_the_cluster() -> None:
    """SQS and S3 in one, RabbitMQ and S3 in the other; images of the checkout, never pulled."""
    sqs, rabbitmq = settings("localstack", SERVERS), settings("oss", SERVERS)
    for found in (sqs, rabbitmq):
        assert found["asya:s3Endpoint"] == "http://10.0.0.1:4566"
        assert found["asya:imagePullPolicy"] == "Never" and found["asya:operatorImage"] == "localhost/asya-operator:dev"
    assert sqs["asya:sqsEndpoint"] == "http://10.0.0.1:4566" and "asya:rabbitmqUrl" not in sqs
    assert rabbitmq["asya:rabbitmqUrl"] == "amqp://guest@10.0.0.1:5672/"
    assert rabbitmq["asya:rabbitmqManagementUrl"] == "http://10.0.0.1:15672" and "asya:sqsEndpoint" not in rabbitmq


def test_a_password_is_in_an_url_only_where_it_is_asked_for() -> None:
    """Settings keep it apart."""
    assert SERVERS.amqp_url("guest") == "amqp://guest:guest@10.0.0.1:5672/"
