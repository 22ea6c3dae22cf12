1 |n a b:2
-1 2.5 'first |n:0.5 a:4 c

 	
2 |n a
NaN |n a
1-2 |n a
|n a
1|n a
1 1 0 last|n a |m b
1 1 0.5 |n a
1 1 0 0 |n a
1 | 7 42:0.5 :3 :0 :4
1 |7 3 x
1 |n:3 city:Rome u:http://a|b:c
1 |n a:1x b
1 |n b a:NaN
1 |n a:inf
1 |n a:1e39
1 |n a:
1 |n a:1:2
no bar
1 -1 |n a
1 NaN |n a
1 x |n a
1	|n a
-1.0 |n a:0 b:1 b:1
1 |n a|b c||
1 |skip a:5 b |n b
1 |skip a:nan |n b
1 'hé |héllo wörld
1 '� |n a
|
1 |n	c  a 
