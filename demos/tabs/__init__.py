"""The tabs of the studio's page: Create, Batch, Explore, Compare and History."""
