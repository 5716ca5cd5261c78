/*
 * redis-get: one client that asks Redis for a key, waits for the reply and asks
 * again, by hiredis's blocking functions: the shortest a question can take.
 * The keys do not exist.
 *
 * usage: redis-get [-n REQUESTS] REDIS-SOCKET
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include "sample.h"

static uint32_t ask(redisContext *redis, unsigned number)
{
	uint64_t start = sample_now_ns();
	redisReply *reply = redisCommand(redis, "GET absent:%u", number);

	if (reply == NULL || reply->type != REDIS_REPLY_NIL)
		errx(1, "reply of Redis: %s", reply ? reply->str : redis->errstr);
	uint32_t took = sample_clamp(sample_now_ns() - start);
	freeReplyObject(reply);
	return took;
}

int main(int argc, char **argv)
{
	size_t requests = 20000;
	int letter;

	while ((letter = getopt(argc, argv, "n:")) != -1) {
		if (letter != 'n')
			return 2;
		requests = strtoul(optarg, NULL, 10);
	}
	if (optind != argc - 1 || requests == 0)
		errx(2, "usage: redis-get [-n REQUESTS] REDIS-SOCKET");

	redisContext *redis = redisConnectUnix(argv[optind]);
	uint32_t *ns = calloc(requests, sizeof *ns);
	if (redis == NULL || redis->err || ns == NULL)
		errx(1, "%s: %s", argv[optind], redis ? redis->errstr : "memory");

	uint64_t start = sample_now_ns();
	for (size_t i = 0; i < requests; i++)
		ns[i] = ask(redis, (unsigned)i);
	double seconds = (double)(sample_now_ns() - start) / 1e9;
	sample_sort(ns, requests);
	printf("requests=%zu req_per_s=%.0f p50_us=%.1f p99_us=%.1f p999_us=%.1f max_us=%.1f\n", requests,
	    (double)requests / seconds, sample_percentile_us(ns, requests, 0.5), sample_percentile_us(ns, requests, 0.99),
	    sample_percentile_us(ns, requests, 0.999), sample_percentile_us(ns, requests, 1));
	free(ns);
	redisFree(redis);
	return 0;
}
