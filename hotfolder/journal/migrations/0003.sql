-- Nothing: the number is kept for another part.
SELECT 1;
