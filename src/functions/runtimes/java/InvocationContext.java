package kumoniwa;

import com.amazonaws.services.lambda.runtime.Client;
import com.amazonaws.services.lambda.runtime.ClientContext;
import com.amazonaws.services.lambda.runtime.CognitoIdentity;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaLogger;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/** What a handler may ask about its invocation. */
final class InvocationContext implements Context {
    private final Map<String, String> headers;
    private final LambdaLogger logger;

    InvocationContext(Map<String, String> headers, LambdaLogger logger) {
        this.headers = headers;
        this.logger = logger;
    }

    private Map<?, ?> json(String header) {
        String text = headers.get(header);
        if (text == null || text.isEmpty()) return null;
        Object value = Json.parse(new String(text.getBytes(StandardCharsets.ISO_8859_1), StandardCharsets.UTF_8));
        return value instanceof Map ? (Map<?, ?>) value : null;
    }

    @Override
    public String getAwsRequestId() {
        return headers.get("lambda-runtime-aws-request-id");
    }

    @Override
    public String getLogGroupName() {
        return System.getenv("AWS_LAMBDA_LOG_GROUP_NAME");
    }

    @Override
    public String getLogStreamName() {
        return System.getenv("AWS_LAMBDA_LOG_STREAM_NAME");
    }

    @Override
    public String getFunctionName() {
        return System.getenv("AWS_LAMBDA_FUNCTION_NAME");
    }

    @Override
    public String getFunctionVersion() {
        return System.getenv("AWS_LAMBDA_FUNCTION_VERSION");
    }

    @Override
    public String getInvokedFunctionArn() {
        return headers.get("lambda-runtime-invoked-function-arn");
    }

    @Override
    public CognitoIdentity getIdentity() {
        Map<?, ?> given = json("lambda-runtime-cognito-identity");
        if (given == null) return null;
        return new CognitoIdentity() {
            @Override
            public String getIdentityId() {
                return (String) given.get("cognitoIdentityId");
            }

            @Override
            public String getIdentityPoolId() {
                return (String) given.get("cognitoIdentityPoolId");
            }
        };
    }

    @Override
    public ClientContext getClientContext() {
        Map<?, ?> given = json("lambda-runtime-client-context");
        return given == null ? null : new Given(given);
    }

    @Override
    public int getRemainingTimeInMillis() {
        long deadline = Long.parseLong(headers.getOrDefault("lambda-runtime-deadline-ms", "0"));
        return (int) Math.max(0, deadline - System.currentTimeMillis());
    }

    @Override
    public int getMemoryLimitInMB() {
        return Integer.parseInt(System.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"));
    }

    @Override
    public LambdaLogger getLogger() {
        return logger;
    }

    @Override
    public String getTenantId() {
        return headers.get("lambda-runtime-aws-tenant-id");
    }

    private static final class Given implements ClientContext, Client {
        private final Map<?, ?> given;

        Given(Map<?, ?> given) {
            this.given = given;
        }

        private Map<String, String> texts(String name) {
            Map<String, String> texts = new HashMap<>();
            if (given.get(name) instanceof Map)
                ((Map<?, ?>) given.get(name)).forEach((key, value) -> texts.put(key.toString(), String.valueOf(value)));
            return texts;
        }

        @Override
        public Client getClient() {
            return given.get("client") instanceof Map ? this : null;
        }

        @Override
        public Map<String, String> getCustom() {
            return texts("custom");
        }

        @Override
        public Map<String, String> getEnvironment() {
            return texts("env");
        }

        @Override
        public String getInstallationId() {
            return texts("client").get("installation_id");
        }

        @Override
        public String getAppTitle() {
            return texts("client").get("app_title");
        }

        @Override
        public String getAppVersionName() {
            return texts("client").get("app_version_name");
        }

        @Override
        public String getAppVersionCode() {
            return texts("client").get("app_version_code");
        }

        @Override
        public String getAppPackageName() {
            return texts("client").get("app_package_name");
        }
    }
}
