// Twelve ordinary uses of the classes that `pulumi package add` writes: they compile, and what is wrong does not.
import * as pulumi from "@pulumi/pulumi";
import * as asya from "@asya/pulumi";

const config = new pulumi.Config();
const platform = new pulumi.StackReference("acme/asya/prod");
const image = platform.getOutput("image") as pulumi.Output<string>;
const most = platform.getOutput("most") as pulumi.Output<number>;
const name = platform.getOutput("name") as pulumi.Output<string>;

// 1-3: an image, a namespace and a transport from another stack
export const rank = new asya.AsyncActor("rank", { image, handler: "words.rank", namespace: name, transport: name });

// 4, 5: limits that are known later, and how long an actor stays
export const count = new asya.AsyncActor("count", {
    image: "words:1",
    handler: "words.count",
    scaling: { minReplicas: 0, maxReplicas: most, cooldownPeriod: "5m", queueLength: 5 },
});

// 6-8: an account of its own, resources as Kubernetes has them, time limits
export const clean = new asya.AsyncActor("clean", {
    image: "words:1",
    handler: "words.clean",
    serviceAccount: name,
    resources: { requests: { cpu: "100m" }, limits: { memory: "1Gi", "nvidia.com/gpu": 1 } },
    nodeSelector: { accelerator: "nvidia-gpu", team: name },
    tolerations: [{ key: "nvidia.com/gpu", operator: "Exists", effect: "NoSchedule" }],
    timeout: { processing: "10m", gracefulShutdown: "30s" },
});

// 9, 10: variables, some of them secret; retries
export const grade = new asya.AsyncActor("grade", {
    image: "words:1",
    handler: "words.grade",
    env: { LANGUAGE: "de", BUCKET: name },
    secrets: { TOKEN: config.requireSecret("token") },
    retry: { maxAttempts: 3, initialDelay: "1s", nonRetryable: ["TypeError"] },
});

// 11: a role that sends to these actors alone, by the components; and what else it may
export const parse = (told: string) => new asya.AsyncActor("parse", {
    image: "words:1",
    handler: "words.parse",
    platform: told,
    sendsTo: [rank.actor, "count"],
    policies: ["arn:aws:iam::aws:policy/AmazonBedrockLimitedAccess"],
    statements: [{ Effect: "Allow", Action: ["s3:GetObject"], Resource: ["arn:aws:s3:::models/*"] }],
}, { dependsOn: [count] });

// 12: a tool whose route names the components
export const tool = new asya.McpTool("count_words", {
    route: [clean.actor, count.actor, "rank"],
    description: pulumi.interpolate`Counts the words of ${name}`,
    parameters: { text: { type: "string", required: true } },
    timeoutSeconds: 60,
});

export const scaling: asya.types.input.ScalingArgs = { maxReplicas: 3 };
export const queue: pulumi.Output<string> = rank.queueUrl;

// @ts-expect-error an actor has an image
export const imageless = new asya.AsyncActor("a", { handler: "words.a" });
// @ts-expect-error it has no such argument
export const misspelt = new asya.AsyncActor("b", { image: "words:1", handler: "words.b", scalling: { maxReplicas: 3 } });
// @ts-expect-error a number is no text
export const wrong = new asya.AsyncActor("c", { image: "words:1", handler: "words.c", scaling: { maxReplicas: "3" } });
