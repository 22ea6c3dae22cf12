1 |A a |B b
-1 |B b:2 c |A a:3
1 |C x
