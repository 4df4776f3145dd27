/* ticket.c - shards are computed at the same time but reduced one by one, in order. */
#include "engine/state.h"

void tn__ticket_init(tn__ticket *ticket)
{
    *ticket = (tn__ticket){.failed = SIZE_MAX};
    pthread_mutex_init(&ticket->lock, NULL);
    pthread_cond_init(&ticket->moved, NULL);
}

void tn__ticket_release(tn__ticket *ticket)
{
    pthread_cond_destroy(&ticket->moved);
    pthread_mutex_destroy(&ticket->lock);
}

bool tn__ticket_wait(tn__ticket *ticket, size_t shard)
{
    pthread_mutex_lock(&ticket->lock);
    while (ticket->next != shard && ticket->failed > shard)
        pthread_cond_wait(&ticket->moved, &ticket->lock);
    bool turn = ticket->failed > shard;
    pthread_mutex_unlock(&ticket->lock);
    return turn;
}

void tn__ticket_pass(tn__ticket *ticket, size_t shard, tn_status status)
{
    pthread_mutex_lock(&ticket->lock);
    if (status)
        ticket->failed = TN__MIN(ticket->failed, shard);
    else
        ticket->next = shard + 1;
    pthread_cond_broadcast(&ticket->moved);
    pthread_mutex_unlock(&ticket->lock);
}
