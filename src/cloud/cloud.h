/* The cloud: what all services of one process share. Made once by the server (or a test), read by
 * everyone. Fields are set at start and constant afterwards; what changes inside is behind the
 * named types' own functions. */
#ifndef KUMONIWA_CLOUD_CLOUD_H
#define KUMONIWA_CLOUD_CLOUD_H

#include "auth/sigv4.h"
#include "base/digest.h"
#include "store/blob.h"
#include "store/kv.h"
#include "wire/wire.h"

struct clock;
struct park_table;
struct dispatcher;
struct metrics;
struct audit;
struct denials;
struct authorizer;
struct trail;
struct trail_data;
struct trail_keeper;
struct log_sink;
struct log_keeper;
struct metric_keeper;
struct fetcher;
struct workers;
struct task_table;
struct service_hooks;
struct organization_table;

/* --iam: whether policies decide, are only watched (denials are logged, nothing is refused), or are
 * not looked at. */
enum iam_mode { IAM_ENFORCE, IAM_AUDIT, IAM_OFF };

struct cloud {
    struct str directory; /* of the data; what services keep in folders of their own may be lost */
    struct kv *kv;
    struct blob_store *blobs;
    struct clock *clock;           /* cloud/clock.h */
    struct park_table *parks;      /* cloud/park.h */
    struct dispatcher *dispatcher; /* cloud/outbox.h: NULL until started */
    struct workers *workers;       /* cloud/work.h: NULL until started */
    struct task_table *tasks;      /* cloud/task.h */
    struct metrics *metrics;       /* cloud/metrics.h */
    struct trail *trail;           /* cloud/trail.h */
    struct log_sink *log_sink;     /* cloud/log_sink.h */
    struct audit *audit;           /* cloud/audit.h; NULL: none */
    struct denials *denials;       /* cloud/denials.h; NULL: none */
    struct wire_patterns *patterns;
    struct wire_index *index; /* for wire_route() */
    struct sigv4_keys *signing_keys;
    const struct service_hooks *const *hooks; /* of implemented services, NULL-terminated */
    void **memories;                          /* theirs, in the same order: cloud_memory() */
    struct str default_region;                /* "us-east-1" */
    struct str endpoint; /* "http://localhost:4566": where clients find us, for URLs in answers */
    uint8_t secret[32];  /* of this data directory: paging tokens, receipt handles, sessions */
    struct digest_hmac root_key; /* cloud/keys.h */
    bool strict_auth;            /* --auth=strict */
    enum iam_mode iam;
    struct authorizer *authorizer;           /* cloud/authorize.h */
    _Atomic int organizations;               /* cloud/authorize_organization.c */
    const struct wire_model *identity_model; /* of who keeps identities; NULL: nobody */
    struct fetcher *fetcher;                 /* cloud/fetch.h */
    struct identity_uses *uses;              /* cloud/identity_use.h */
    _Atomic uint64_t sequence;               /* last number given out: call_sequence() */
    _Atomic uint64_t sequence_mark;          /* numbers up to here are reserved in the store */
    struct arena *arena;                     /* process lifetime */
};

struct cloud_config {
    struct str directory; /* of the data; exists, locked by the caller */
    enum kv_durability durability;
    struct str default_region;
    struct str endpoint;
    bool strict_auth;
    enum iam_mode iam;
    const struct service_hooks *const *hooks;
    bool (*write_hook)(void *context); /* tests: see struct kv_config */
    void *hook_context;
};

/* Opens the store and everything on it; the dispatcher is started apart (cloud_start), so that a
 * test may step it by hand. *message (in the caller's arena) says what a person can do about a
 * failure. */
RESULT cloud_open(struct arena *arena, const struct cloud_config *config, struct cloud **out,
                  struct str *message);
RESULT cloud_start(struct cloud *cloud);
void cloud_close(struct cloud *cloud);

/* Forgets everything that services keep and the credentials that were issued (POST
 * /_localstack/state/reset). The secret, the sequence and the clock stay. Not one transaction: a
 * crash may leave part of it. */
RESULT cloud_reset(struct cloud *cloud);

/* A key for one purpose, derived from the data directory's secret. */
void cloud_derive(const struct cloud *cloud, struct str purpose, uint8_t key[SHA256_SIZE]);

/* What the service's memory_new() made; any thread, so it locks for itself. */
void *cloud_memory(const struct cloud *cloud, const struct wire_model *model);

/* Moves the clock and wakes all who wait for it. */
RESULT cloud_advance_clock(struct cloud *cloud, int64_t ms);

/* What a service gives besides its operations. Each service has `const struct service_hooks
 * NAME_hooks`, listed in src/server/services.c. */
struct call;
struct outbox_item;
struct outbox_handler {
    struct str topic; /* "sqs.purge": NAME.what */
    /* Runs in a transaction of its own, with call->principal the service itself; RESULT_OK commits
     * and removes the item, in the same transaction. RESULT_PARK is not allowed; any other result
     * retries later. */
    RESULT (*deliver)(struct call *call, const struct outbox_item *item);
};
/* A page that is not AWS's, such as /_aws/sqs/messages. Runs in a read-only transaction as the
 * service itself; the response's body and headers are in call->arena, status 0 means 200. */
struct service_page {
    struct str path; /* all of it, or its beginning when it ends with '/' */
    RESULT (*answer)(struct call *call, struct wire_response *response);
};
struct identity_table; /* cloud/identity.h */
/* How a request was answered, as it goes out. */
struct call_end {
    uint16_t status;
    struct str error; /* its code; absent: none */
    struct str path;  /* REST: as routed, the bucket of a virtual host before it */
    uint64_t bytes_sent, micros;
    const struct wire_header *headers; /* of the answer */
    size_t header_count;
};
struct service_hooks {
    const struct wire_model *model;
    const struct service_page *pages;
    size_t page_count;
    /* Hosts that are the service's own: what stands before the path of a request to one, so that it
     * routes to an operation (models/overlays); absent: the host is none. What such a request says
     * of itself is not AWS's: a signature that is wrong makes it anonymous, and its body stays as
     * it came. NULL: there are none. */
    struct str (*place_of_host)(struct arena *arena, struct str host);
    const struct outbox_handler *handlers;
    size_t handler_count;
    /* Run once at start, after the store is open. NULL: nothing to do. */
    RESULT (*start)(struct cloud *cloud);
    /* What it holds in memory while the cloud is open, for cloud_memory(): meters and caches, which
     * may be lost at any time. NULL: nothing. */
    void *(*memory_new)(void);
    void (*memory_free)(void *memory);
    /* Finds the resource-based policy that guards the request's resource and its owner; absent
     * policy: none. NULL: the service has no such policies. `action` is e.g. "sqs:SendMessage". */
    RESULT(*resource_policy)
    (struct call *call, const void *in, struct str *resource_arn, struct str *owner_account,
     struct str *policy);
    /* The same for one of several resources that an operation names (a line of iam.list with "[]"):
     * whose it is and its policy, by its ARN. *owner comes as the account of the ARN. NULL: those
     * have no policies. */
    RESULT(*policy_of_arn)
    (struct call *call, struct str arn, struct str *owner, struct str *policy);
    /* The value of a condition key of the service's own, or of aws:ResourceTag/NAME; absent: the
     * request has none. Keys compare without case. NULL: there are none. */
    RESULT (*condition_key)(struct call *call, const void *in, struct str key, struct str *value);
    /* The same for keys of many values; asked when condition_key knows none. NULL: there are none.
     */
    RESULT(*condition_values)
    (struct call *call, const void *in, struct str key, struct str_list *values);
    /* What is known of users, roles and providers: cloud/identity.h. NULL: the service keeps none.
     */
    const struct identity_table *identity;
    /* Operations whose functions ask for themselves, with authorize_ask(): what they need to know
     * is not in the request's form (a token's claims, a role's trust policy). */
    const uint32_t *asking;
    size_t asking_count;
    /* Calls that are no management of resources, but use of them; NULL: the service has none. */
    const struct trail_data *trail_data; /* cloud/trail.h */
    const struct trail_keeper *trail;    /* who keeps the events of all calls; NULL: not this one */
    const struct log_keeper *log_keeper; /* cloud/log_sink.h: who keeps logs; NULL: not this one */
    const struct metric_keeper *metric_keeper; /* cloud/metric_data.h; NULL: not this one */
    /* What organizations say. NULL: the service keeps none. */
    const struct organization_table *organization; /* cloud/organization.h */
    /* Asks for all operations of the service, with authorize_ask(), in place of the rows of
     * iam.list: what a request needs depends on more than its operation. NULL: the rows count. */
    RESULT (*authorize)(struct call *call, const void *in);
    /* Adds the headers that let a page of another origin read the answer (call_add_header()), by
     * the path of the request, the bucket of its host before it; in a read-only transaction of its
     * own, for answers of every kind to requests with an Origin. NULL: never any. */
    RESULT (*cross_origin)(struct call *call, struct str path);
    /* Told of each request of the service that is answered, outside of any transaction: for records
     * of access. Runs on the server's thread; what takes time is left to a job. NULL: not wanted.
     */
    void (*ended)(const struct call *call, const struct call_end *end);
    /* Operations that the root user of the resource's account may call whatever its policy denies,
     * so that a policy that locks out everybody can be mended. */
    const uint32_t *unlocking;
    size_t unlocking_count;
};

#endif
