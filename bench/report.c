#include "report.h"

#include <inttypes.h>

static const struct {
    const char *name;
    double quantile;
} quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}};
enum { QUANTILES = sizeof quantiles / sizeof quantiles[0] };

static double us(uint64_t ns)
{
    return (double)ns / 1000.0;
}

static void print_quantiles(const struct histogram *histogram)
{
    for (size_t i = 0; i < QUANTILES; i++)
        printf(" %9.1f", us(histogram_quantile(histogram, quantiles[i].quantile)));
    printf(" %9.1f\n", us(histogram->max));
}

static void print_quantiles_json(const struct histogram *histogram)
{
    printf("\"mean_us\":%.1f", us(histogram_mean(histogram)));
    for (size_t i = 0; i < QUANTILES; i++)
        printf(",\"%s_us\":%.1f", quantiles[i].name,
               us(histogram_quantile(histogram, quantiles[i].quantile)));
    printf(",\"max_us\":%.1f", us(histogram->max));
}

/* Figures of a whole run, derived from its counts. */
struct summary {
    double seconds, per_second, client_us, server_us;
    uint64_t requests, errors;
};

static struct summary summarise(const struct load *load)
{
    const struct counts *counts = &load->counts;
    struct summary summary = {.errors = counts->connection_errors, .requests = counts->empty};
    for (size_t i = 0; i < OPERATIONS_MAX; i++) {
        summary.requests += counts->operations[i].histogram.total + counts->operations[i].errors;
        summary.errors += counts->operations[i].errors;
    }
    double requests = summary.requests == 0 ? 1 : (double)summary.requests;
    summary.seconds = (double)(counts->end_ns - counts->start_ns) / 1e9;
    summary.per_second = (double)summary.requests / summary.seconds;
    summary.client_us = (double)counts->client_cpu_us / requests;
    summary.server_us = (double)counts->server_cpu_us / requests;
    return summary;
}

static void report_text(const struct load *load, const struct summary *summary, uint64_t unsent)
{
    const struct counts *counts = &load->counts;
    printf("%s: %" PRIu64 " requests in %.2f s over %zu connections: %.0f/s\n",
           load->workload->name, summary->requests, summary->seconds, load->conn_count,
           summary->per_second);
    if (counts->messages != 0)
        printf("messages %.0f/s; ", (double)counts->messages / summary->seconds);
    printf("processor us a request: client %.2f", summary->client_us);
    if (load->options.server_pid != 0)
        printf(", server %.2f", summary->server_us);
    printf("\nerrors %" PRIu64 " (connections %" PRIu64 "), empty answers %" PRIu64 "\n",
           summary->errors, counts->connection_errors, counts->empty);
    if (load->options.rate > 0)
        printf("open loop of %.0f/s; due but never sent: %" PRIu64 "\n", load->options.rate,
               unsent);
    printf("%-20s %10s %9s %9s %9s %9s %9s %9s\n", "latency, us", "answers", "mean", "p50", "p90",
           "p99", "p99.9", "max");
    for (size_t i = 0; i < OPERATIONS_MAX && load->workload->operations[i] != NULL; i++) {
        const struct histogram *histogram = &counts->operations[i].histogram;
        printf("%-20s %10" PRIu64 " %9.1f", load->workload->operations[i], histogram->total,
               us(histogram_mean(histogram)));
        print_quantiles(histogram);
    }
}

static void report_json(const struct load *load, const struct summary *summary, uint64_t unsent)
{
    const struct counts *counts = &load->counts;
    printf("{\"workload\":\"%s\",\"connections\":%zu,\"rate\":%.3f,\"seconds\":%.4f,"
           "\"requests\":%" PRIu64 ",\"per_second\":%.1f,\"messages\":%" PRIu64
           ",\"errors\":%" PRIu64 ",\"connection_errors\":%" PRIu64 ",\"empty\":%" PRIu64
           ",\"unsent\":%" PRIu64 ",\"client_cpu_us\":%.3f,\"server_cpu_us\":%.3f,\"operations\":[",
           load->workload->name, load->conn_count, load->options.rate, summary->seconds,
           summary->requests, summary->per_second, counts->messages, summary->errors,
           counts->connection_errors, counts->empty, unsent, summary->client_us,
           summary->server_us);
    for (size_t i = 0; i < OPERATIONS_MAX && load->workload->operations[i] != NULL; i++) {
        const struct operation_count *count = &counts->operations[i];
        printf("%s{\"name\":\"%s\",\"answers\":%" PRIu64 ",\"errors\":%" PRIu64 ",",
               i == 0 ? "" : ",", load->workload->operations[i], count->histogram.total,
               count->errors);
        print_quantiles_json(&count->histogram);
        printf("}");
    }
    printf("]}\n");
}

int report_run(const struct load *load, uint64_t unsent)
{
    struct summary summary = summarise(load);
    if (load->options.json)
        report_json(load, &summary, unsent);
    else
        report_text(load, &summary, unsent);
    return summary.errors == 0 ? 0 : 1;
}

int report_longpoll(const struct load *load, const struct longpoll_result *result)
{
    const struct histogram *wake = &result->wake;
    double count = (double)load->conn_count;
    double grown = (double)result->rss_parked - (double)result->rss_idle;
    if (load->options.json) {
        printf("{\"workload\":\"%s\",\"connections\":%zu,\"parked\":%" PRIu64
               ",\"rss_idle\":%" PRIu64 ",\"rss_connected\":%" PRIu64 ",\"rss_parked\":%" PRIu64
               ",\"bytes_per_poll\":%.0f,\"timeouts\":%" PRIu64 ",\"surplus\":%" PRIu64
               ",\"errors\":%" PRIu64 ",\"wakes\":%" PRIu64 ",",
               load->workload->name, load->conn_count, result->parked, result->rss_idle,
               result->rss_connected, result->rss_parked, grown / count, result->timeouts,
               result->surplus, result->errors, wake->total);
        print_quantiles_json(wake);
        printf("}\n");
    } else {
        printf("%s: %" PRIu64 " of %zu polls parked to the end; %" PRIu64 " ended empty\n",
               load->workload->name, result->parked, load->conn_count, result->timeouts);
        if (load->options.server_pid != 0)
            printf(
                "server memory, MiB: idle %.1f, connected %.1f, parked %.1f: %.0f bytes a poll\n",
                (double)result->rss_idle / 1048576, (double)result->rss_connected / 1048576,
                (double)result->rss_parked / 1048576, grown / count);
        printf("wrong or broken %" PRIu64 ", surplus messages %" PRIu64 "\n", result->errors,
               result->surplus);
        printf("%-20s %10s %9s %9s %9s %9s %9s %9s\n%-20s %10" PRIu64 " %9.1f", "latency, us",
               "answers", "mean", "p50", "p90", "p99", "p99.9", "max", "wake", wake->total,
               us(histogram_mean(wake)));
        print_quantiles(wake);
    }
    return result->errors == 0 && wake->total == load->options.rounds ? 0 : 1;
}
